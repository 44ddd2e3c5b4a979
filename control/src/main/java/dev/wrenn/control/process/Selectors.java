package dev.wrenn.control.process;

import dev.wrenn.contract.guest.ProcessSelector;

/** How URLs name a process. */
public final class Selectors {
    private Selectors() {}

    /** A number is a process id, anything else a tag. */
    public static ProcessSelector parse(String text) {
        if (text.matches("[0-9]{1,9}")) {
            return new ProcessSelector.ByPid(Integer.parseInt(text));
        }
        return new ProcessSelector.ByTag(text);
    }
}
