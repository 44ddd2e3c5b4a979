package dev.wrenn.bench;

import dev.wrenn.base.Progress;
import java.util.List;

/**
 * One group of the specification's rows, measured together. What is compared is measured in turns,
 * so that a busy moment of the machine meets both sides.
 */
interface Measurement {
    /** Measures; the capsules and templates that it makes are gone when it returns. */
    List<Row> take(Laboratory lab, Progress progress);
}
