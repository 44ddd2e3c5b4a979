package dev.wrenn.contract.guest;

import java.io.InputStream;
import java.util.OptionalLong;

/**
 * An open file of a guest.
 *
 * @param bytes the content from the asked offset on; closing it ends the transfer
 * @param lengthBytes how many bytes follow, where the file system knows it
 */
public record FileContent(InputStream bytes, OptionalLong lengthBytes) implements AutoCloseable {
    @Override
    public void close() throws java.io.IOException {
        bytes.close();
    }
}
