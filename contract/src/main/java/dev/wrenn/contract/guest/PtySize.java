package dev.wrenn.contract.guest;

/**
 * Size of a terminal.
 *
 * @param columns at least 1
 * @param rows at least 1
 */
public record PtySize(int columns, int rows) {
    /** Rejects sizes a terminal cannot have. */
    public PtySize {
        if (columns < 1 || columns > 65_535 || rows < 1 || rows > 65_535) {
            throw new IllegalArgumentException(
                    "a terminal has 1 to 65535 columns and rows, not " + columns + " x " + rows);
        }
    }
}
