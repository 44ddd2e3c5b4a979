package dev.wrenn.host.oci;

import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;

/** Takes so many bytes and no more: a registry may send more than it announced. */
final class Bounded extends FilterOutputStream {
    private long left;

    Bounded(OutputStream out, long limit) {
        super(out);
        this.left = limit;
    }

    @Override
    public void write(int b) throws IOException {
        spend(1);
        out.write(b);
    }

    @Override
    public void write(byte[] bytes, int from, int count) throws IOException {
        spend(count);
        out.write(bytes, from, count);
    }

    private void spend(int count) throws IOException {
        left -= count;
        if (left < 0) {
            throw new IOException("the registry sends more than the manifest says");
        }
    }
}
