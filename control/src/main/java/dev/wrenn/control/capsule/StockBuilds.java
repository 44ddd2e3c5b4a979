package dev.wrenn.control.capsule;

import java.util.Optional;
import java.util.Set;

/** Has stock templates made that are not there yet. */
public interface StockBuilds {
    /**
     * Has a template made, and made ready for a shape; what is under way already is not begun anew.
     */
    Asked ask(String name, int vcpus, int memoryMb);

    /** Names of those that are being made. */
    Set<String> underWay();

    /**
     * What came of asking.
     *
     * @param build that makes it, or made the last attempt
     * @param failure why that one failed, a moment ago; it is tried again by whoever asks later
     */
    record Asked(String build, Optional<String> failure) {}
}
