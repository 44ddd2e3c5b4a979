package dev.wrenn.control.event;

import java.util.Optional;
import java.util.regex.Pattern;

/**
 * Where an event stands in the order in which all are told.
 *
 * @param tx transaction that wrote it
 * @param id its number within
 */
record EventPlace(long tx, long id) {
    private static final Pattern TEXT = Pattern.compile("(\\d{1,18})-(\\d{1,18})");

    /** Reads what {@link #text()} wrote; nothing for anything else. */
    static Optional<EventPlace> parse(String text) {
        var found = TEXT.matcher(text);
        return found.matches()
                ? Optional.of(
                        new EventPlace(
                                Long.parseLong(found.group(1)), Long.parseLong(found.group(2))))
                : Optional.empty();
    }

    String text() {
        return tx + "-" + id;
    }
}
