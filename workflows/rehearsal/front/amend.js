// Loaded into Azurite before it starts (node --require), for the two things that cannot be mended from outside.
"use strict";

const { dirname, join } = require("node:path");
const part = (...names) => require(join(dirname(process.argv[1]), ...names));

// Azurite 3.35 and 3.37 hand a copied blob the very list of page ranges that its source has, so that what is written to
// one of them stands in both. Here every blob that is inserted gets a list of its own; the ranges in it never change.
const Store = part("persistence", "LokiBlobMetadataStore.js").default;
const init = Store.prototype.init;
Store.prototype.init = async function () {
  await init.call(this);
  this.db.getCollection(this.BLOBS_COLLECTION).on("pre-insert", (blob) => {
    blob.pageRangesInOrder = blob.pageRangesInOrder?.slice();
  });
};

// It knows no rule for who may Put Page From URL with a shared access signature, and answers 500: whoever may Put Page.
const Operation = part("generated", "artifacts", "operation.js").default;
const onBlobs = part("authentication", "OperationBlobSASPermission.js");
for (const rules of [
  part("authentication", "OperationAccountSASPermission.js").default,
  onBlobs.OPERATION_BLOB_SAS_BLOB_PERMISSIONS,
  onBlobs.OPERATION_BLOB_SAS_CONTAINER_PERMISSIONS,
]) {
  rules.set(Operation.PageBlob_UploadPagesFromURL, rules.get(Operation.PageBlob_UploadPages));
}
