package dev.wrenn.vmm;

import java.util.List;

/**
 * Which kind of VMM this machine gets, and why.
 *
 * @param reasons sentences for an operator, in the order in which things were looked at
 */
public record VmmSelection(VmmKind kind, List<String> reasons) {
    /** Copies the list. */
    public VmmSelection {
        reasons = List.copyOf(reasons);
    }
}
