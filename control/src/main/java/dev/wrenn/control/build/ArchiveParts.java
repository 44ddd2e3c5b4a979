package dev.wrenn.control.build;

import java.io.InputStream;

/** An archive that is stored in parts; one part is in memory at a time. */
final class ArchiveParts extends InputStream {
    private static final int BYTE = 0xff;

    private final BuildRows rows;
    private final BuildId build;
    private byte[] bytes = new byte[0];
    private int at;
    private int nextPart;

    ArchiveParts(BuildRows rows, BuildId build) {
        this.rows = rows;
        this.build = build;
    }

    @Override
    public int read() {
        return isAtEnd() ? -1 : bytes[at++] & BYTE;
    }

    @Override
    public int read(byte[] into, int offset, int length) {
        if (length == 0) {
            return 0;
        }
        if (isAtEnd()) {
            return -1;
        }
        int count = Math.min(length, bytes.length - at);
        System.arraycopy(bytes, at, into, offset, count);
        at += count;
        return count;
    }

    private boolean isAtEnd() {
        while (at == bytes.length) {
            var next = rows.archivePart(build, nextPart);
            if (next.isEmpty()) {
                return true;
            }
            bytes = next.get();
            at = 0;
            nextPart++;
        }
        return false;
    }
}
