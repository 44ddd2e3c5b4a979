package dev.wrenn.simhost;

/** Places at which a test can make the simulated host fail or wait. */
public enum FailPoint {
    /** While a capsule is being created. */
    CREATE,
    /** While a capsule is being paused; before anything of it is saved. */
    PAUSE,
    /** While a capsule is being resumed. */
    RESUME,
    /** While a capsule is being destroyed. */
    DESTROY,
    /** While a running capsule is being saved. */
    CHECKPOINT,
    /** While a capsule goes back to a checkpoint, after its present state was saved. */
    ROLLBACK,
    /** While capsules are forked off, before the first is started. */
    FORK,
    /** A sign of activity. */
    PING,
    /** Before a session with a guest is opened. */
    OPEN_SESSION,
    /** Before the host tells what it holds. */
    INVENTORY,
    /** While a template is being made, after its capsule was paused. */
    CREATE_TEMPLATE,
    /** While a shape of a template is being made ready. */
    WARM_UP,
    /** Before a template is removed. */
    DELETE_TEMPLATE,
    /** Before a process is started. */
    START_PROCESS,
    /** Before a file is opened for reading. */
    OPEN_FILE,
    /** At every piece of a file that is read. */
    READ_FILE,
    /** Before a file is written. */
    WRITE_FILE,
    /** When a change is told to a watch. */
    TELL_CHANGE
}
