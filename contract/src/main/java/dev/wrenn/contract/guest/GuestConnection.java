package dev.wrenn.contract.guest;

import java.io.InputStream;
import java.io.OutputStream;

/** A TCP connection into a guest. */
public interface GuestConnection extends AutoCloseable {
    /** Bytes from the guest. */
    InputStream input();

    /** Bytes to the guest. */
    OutputStream output();

    /** Tells the guest that no more bytes come, while its own may still flow. */
    void shutdownOutput();

    @Override
    void close();
}
