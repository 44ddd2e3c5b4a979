package dev.wrenn.vmm.choice;

import dev.wrenn.vmm.VmmKind;
import java.util.List;

/**
 * What a machine can run.
 *
 * @param kind the best of it
 * @param reasons sentences for an operator, in the order in which things were looked at
 */
public record VmmProbe(VmmKind kind, List<String> reasons) {
    /** Copies the list. */
    public VmmProbe {
        reasons = List.copyOf(reasons);
    }
}
