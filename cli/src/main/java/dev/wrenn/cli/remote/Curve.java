package dev.wrenn.cli.remote;

import java.nio.charset.Charset;
import java.util.Collections;
import java.util.List;

/** Draws numbers over time as one line. */
final class Curve {
    private static final String BLOCKS = "▁▂▃▄▅▆▇█";
    private static final String PLAIN = "_.-~=+*#";
    private static final int COLUMNS = 40;

    private final String steps;

    private Curve(String steps) {
        this.steps = steps;
    }

    /** With what an output of that encoding can show. */
    static Curve on(Charset output) {
        return new Curve(output.newEncoder().canEncode(BLOCKS) ? BLOCKS : PLAIN);
    }

    /** From zero to the greatest of them; where several share a column, their greatest. */
    String of(List<Double> values) {
        return values.isEmpty() ? "" : of(values, Collections.max(values));
    }

    /** From zero to that much. */
    String of(List<Double> values, double most) {
        var line = new StringBuilder();
        int columns = Math.min(COLUMNS, values.size());
        for (int column = 0; column < columns; column++) {
            int from = column * values.size() / columns;
            int to = (column + 1) * values.size() / columns;
            double value = Collections.max(values.subList(from, to));
            double share = most > 0 ? value / most : 0;
            int last = steps.length() - 1;
            line.append(steps.charAt(Math.clamp(Math.round(share * last), 0, last)));
        }
        return line.toString();
    }
}
