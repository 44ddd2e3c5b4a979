package dev.wrenn.base;

import java.util.List;

/** The configuration has problems; the message lists all of them. */
public final class ConfigInvalid extends WrennException {
    private static final long serialVersionUID = 1L;

    private final transient List<String> problems;

    ConfigInvalid(List<String> problems) {
        super(
                Kind.INVALID,
                "the configuration has %d problem%s:%n  %s"
                        .formatted(
                                problems.size(),
                                problems.size() == 1 ? "" : "s",
                                String.join("%n  ".formatted(), problems)));
        this.problems = List.copyOf(problems);
    }

    /** Each problem in words, naming where the value came from. */
    public List<String> problems() {
        return problems;
    }
}
