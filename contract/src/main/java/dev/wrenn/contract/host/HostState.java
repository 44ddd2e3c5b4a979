package dev.wrenn.contract.host;

/** What a capsule is doing on its host. */
public enum HostState {
    /** Being created from its template. */
    CREATING,
    /** Its VM runs. */
    RUNNING,
    /** Being paused; its VM still exists. */
    PAUSING,
    /** Saved; no VM. */
    PAUSED,
    /** Being resumed from its snapshot. */
    RESUMING,
    /** Being destroyed. */
    DESTROYING,
    /** Gone: reported once to listeners, never listed. */
    DESTROYED,
    /** Lost its VM with nothing saved to resume from. */
    FAILED
}
