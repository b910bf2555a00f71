#!/bin/bash
# The inner half of look.py: run by libguestfs's small Linux, whose other disk is the one to look into, read-only.
#
#   look.sh list MOST     every device, every filesystem mounted read-only, every entry of each    → listed.tar
#   look.sh take          the files named in `wanted`, the first 4 KiB of those in `headed`        → taken.tar
#
# Nothing of the disk is run, no link of it followed: find names the entries themselves, and only such names come back.
set -u
scratch=/flight/scratch
tops=/flight/fs

list() {
    local n=0 device disk
    disk=$(other_disk)
    mkdir -p "$tops" "$scratch/listed"
    lvm vgchange -ay >/dev/null 2>&1
    for device in "$disk" "$disk"[0-9]* $(lvm lvs --noheadings --options lv_path 2>/dev/null); do
        [ -b "$device" ] || continue
        { echo "DEVICE=${device/#"$disk"//dev/sda}"; describe "$device" "$n"; } >"$scratch/listed/device.$n"
        n=$((n + 1))
    done
    (cd "$tops" && find . -type f -perm /111 -print0 | xargs -0 -r getfattr -h -m '^security\.capability$' -e hex -d) \
        >"$scratch/listed/capabilities" 2>/dev/null
    tar -C "$scratch/listed" -cf "$scratch/listed.tar" .
}

other_disk() { # the disk that this Linux does not run from: which of the two is called sda is a race
    local own disk
    own=$(mountpoint -d /)
    for disk in /sys/block/sd*; do
        [ "$(cat "$disk/dev")" = "$own" ] || { echo "/dev/${disk##*/}"; return; }
    done
}

describe() { # device, number: what it is as NAME=value lines; its entries go to a file of their own
    local device=$1 n=$2 type said
    echo "BYTES=$(blockdev --getsize64 "$device")"
    said=$(timeout 60 blkid -p -o export "$device" 2>/dev/null)
    printf '%s\n' "$said" | grep -v ^DEVNAME=
    type=$(printf '%s\n' "$said" | sed -n 's/^TYPE=//p')
    case $type in ext2 | ext3 | ext4 | xfs | btrfs | vfat) ;; *) return ;; esac
    mkdir -p "$tops/$n"
    said=$(attach "$type" "$device" "$tops/$n" 2>&1) || { echo "PROBLEM=$(printf '%s' "$said" | tr '\n' ' ')"; return; }
    (cd "$tops/$n" && timeout 240 find . -printf '%y\0%m\0%U\0%G\0%s\0%T@\0%p\0%l\0' 2>"$scratch/listed/trouble.$n"
        echo "$?" >"$scratch/listed/ended.$n") | head -z -n $((8 * MOST)) >"$scratch/listed/entries.$n"
    fstabs "$n"
}

attach() { # type, device, folder
    local options=ro,nosuid,nodev,noexec
    [ "$1" = btrfs ] && options=$options,subvolid=5
    modprobe "$1" 2>/dev/null
    timeout 60 mount -t "$1" -o "$options" "$2" "$3" && return
    case $1 in xfs) options=$options,norecovery ;; ext*) options=$options,noload ;; *) return 1 ;; esac
    timeout 60 mount -t "$1" -o "$options" "$2" "$3"
}

fstabs() { # number: of each folder that may be a root, its fstab
    local top file
    for top in . root @ @rootfs; do
        file=$tops/$1/$top/etc/fstab
        [ -f "$file" ] && [ ! -L "$file" ] && head -c 65536 "$file" >"$scratch/listed/fstab.$1.$top"
    done
}

take() {
    local n=0 path
    rm -rf "$scratch/heads" "$scratch/taken.tar"
    mkdir -p "$scratch/heads"
    while IFS= read -r -d '' path; do
        [ -f "$tops/$path" ] && head -c 4096 "$tops/$path" >"$scratch/heads/$n"
        n=$((n + 1))
    done <"$scratch/headed"
    timeout 240 tar --quoting-style=literal --ignore-failed-read --no-recursion -cf "$scratch/taken.tar" \
        -C "$tops" --null --files-from="$scratch/wanted" 2>"$scratch/heads/trouble"
    tar -rf "$scratch/taken.tar" -C "$scratch" heads
}

case $1 in
list) MOST=$2; list ;;
take) take ;;
esac
exit 0
