package dev.wrenn.gateway;

import java.nio.ByteBuffer;

/**
 * Follows the WebSocket frames in bytes that pass by, only to know where one ends (RFC 6455, 5.2).
 * Used by one thread at a time.
 */
final class WebSocketFrames {
    private static final int OPCODE_MASK = 0x0f;
    private static final int OPCODE_CLOSE = 8;
    private static final int MASKED = 0x80;
    private static final int LENGTH_MASK = 0x7f;
    private static final int LENGTH_IN_2_BYTES = 126;
    private static final int LENGTH_IN_8_BYTES = 127;
    private static final int MASK_BYTES = 4;

    private Part part = Part.OPCODE;
    private boolean isMasked;
    private int lengthBytesLeft;
    private long left; // of the payload, its mask included
    private boolean hasClosed;

    /** What comes next. */
    private enum Part {
        OPCODE,
        LENGTH,
        LONG_LENGTH,
        PAYLOAD
    }

    /** Looks at bytes and leaves them as they are. */
    void pass(ByteBuffer bytes) {
        var seen = bytes.duplicate();
        while (seen.hasRemaining()) {
            switch (part) {
                case OPCODE -> {
                    hasClosed |= (seen.get() & OPCODE_MASK) == OPCODE_CLOSE;
                    part = Part.LENGTH;
                }
                case LENGTH -> takeLength(seen.get());
                case LONG_LENGTH -> {
                    left = left << Byte.SIZE | Byte.toUnsignedInt(seen.get());
                    if (--lengthBytesLeft == 0) {
                        beginPayload();
                    }
                }
                case PAYLOAD -> {
                    int step = (int) Math.min(left, seen.remaining());
                    seen.position(seen.position() + step);
                    left -= step;
                    if (left == 0) {
                        part = Part.OPCODE;
                    }
                }
            }
        }
    }

    private void takeLength(byte b) {
        isMasked = (b & MASKED) != 0;
        left = 0;
        switch (b & LENGTH_MASK) {
            case LENGTH_IN_2_BYTES -> {
                lengthBytesLeft = Short.BYTES;
                part = Part.LONG_LENGTH;
            }
            case LENGTH_IN_8_BYTES -> {
                lengthBytesLeft = Long.BYTES;
                part = Part.LONG_LENGTH;
            }
            default -> {
                left = b & LENGTH_MASK;
                beginPayload();
            }
        }
    }

    private void beginPayload() {
        left += isMasked ? MASK_BYTES : 0;
        part = left == 0 ? Part.OPCODE : Part.PAYLOAD;
    }

    /**
     * Whether a frame of ours may follow: none is half done, and none said that it was the last.
     */
    boolean isOpenAtBoundary() {
        return part == Part.OPCODE && !hasClosed;
    }
}
