package dev.wrenn.contract.gateway;

import dev.wrenn.contract.guest.GuestPorts;

/** What a {@link CapsuleDoor} decided. */
public sealed interface Admission {
    /**
     * Come in.
     *
     * @param ports of the capsule's present run; the run may end at any moment
     */
    record Granted(GuestPorts ports) implements Admission {}

    /**
     * Stay out.
     *
     * @param message says what to do about it
     */
    record Refused(Reason reason, String message) implements Admission {}

    /** Why a request stays out. */
    enum Reason {
        /** There is no such capsule, or not for this caller. */
        ABSENT,
        /** The capsule's ports are private and no good key was shown. */
        UNAUTHORIZED,
        /** The capsule does not run. */
        NOT_RUNNING,
        /** The capsule should run but its host cannot say where, or cannot resume it. */
        UNAVAILABLE
    }
}
