package dev.wrenn.vmm.qemu;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * Cuts the monitor's byte stream into lines, one JSON object each (QEMU docs/interop/qmp-spec.txt).
 */
final class QmpLines {
    /** Far more than the largest answer, a full console in base64. */
    static final int LIMIT_BYTES = 1 << 20;

    private final ByteArrayOutputStream started = new ByteArrayOutputStream();

    /**
     * Takes all bytes of the buffer and returns the lines that they complete.
     *
     * @throws LineTooLong if a line exceeds the limit
     */
    List<byte[]> feed(ByteBuffer bytes) {
        var lines = new ArrayList<byte[]>();
        while (bytes.hasRemaining()) {
            byte next = bytes.get();
            if (next == '\n') {
                lines.add(started.toByteArray());
                started.reset();
            } else if (started.size() == LIMIT_BYTES) {
                throw new LineTooLong();
            } else {
                started.write(next);
            }
        }
        return lines;
    }

    /** The stream cannot be read on. */
    static final class LineTooLong extends WrennException {
        private static final long serialVersionUID = 1L;

        LineTooLong() {
            super(Kind.BUG, "a line of the monitor has more than " + LIMIT_BYTES + " bytes");
        }
    }
}
