package dev.wrenn.snapshot.store;

/** Blobs as files. */
final class LocalBlobStoreTest extends BlobStoreContract {
    @Override
    BlobStore open() {
        return new LocalBlobStore(folder.resolve("blobs"));
    }
}
