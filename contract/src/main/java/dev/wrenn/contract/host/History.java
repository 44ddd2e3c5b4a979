package dev.wrenn.contract.host;

import java.util.List;

/**
 * The saved states of a capsule.
 *
 * @param checkpoints newest first
 * @param retention which of them stay
 */
public record History(List<HostCheckpoint> checkpoints, Retention retention) {
    /** Copies the list. */
    public History {
        checkpoints = List.copyOf(checkpoints);
    }
}
