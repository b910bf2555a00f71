"""Azure's regions, by their names and as Azure writes them to people.

Source: `az account list-locations` (public), and the same of Azure Government and of Azure operated by 21Vianet.
"""

from __future__ import annotations

from typing import Final

from flight.workflows.rehearsal.body import normal_location

_PUBLIC: Final = (
    *("East US", "East US 2", "Central US", "North Central US", "South Central US", "West Central US", "West US"),
    *("West US 2", "West US 3", "Canada Central", "Canada East", "Mexico Central", "Brazil South", "Brazil Southeast"),
    *("Chile Central", "North Europe", "West Europe", "UK South", "UK West", "France Central", "France South"),
    *("Germany West Central", "Germany North", "Switzerland North", "Switzerland West", "Norway East", "Norway West"),
    *("Sweden Central", "Sweden South", "Denmark East", "Austria East", "Belgium Central", "Italy North"),
    *("Poland Central", "Spain Central", "Israel Central", "Qatar Central", "UAE North", "UAE Central"),
    *("South Africa North", "South Africa West", "Central India", "South India", "West India", "Jio India West"),
    *("Jio India Central", "East Asia", "Southeast Asia", "Indonesia Central", "Malaysia West", "Japan East"),
    *("Japan West", "Korea Central", "Korea South", "Australia East", "Australia Southeast", "Australia Central"),
    *("Australia Central 2", "New Zealand North", "Taiwan North", "Taiwan Northwest"),
)
_GOVERNMENT: Final = ("USGov Virginia", "USGov Arizona", "USGov Texas", "USDoD Central", "USDoD East")
_CHINA: Final = (
    *("China East", "China East 2", "China East 3", "China North", "China North 2", "China North 3"),
)  # fmt: skip
REGIONS: Final = {normal_location(shown): shown for shown in (*_PUBLIC, *_GOVERNMENT, *_CHINA)}
"""From a region's name to what Azure shows of it: `westeurope` to `West Europe`."""
