package dev.wrenn.host.capsule;

import dev.wrenn.host.guest.GuestInit;
import dev.wrenn.snapshot.SnapshotId;

/**
 * What is needed to bring a capsule to life from a snapshot; creating one from a template and
 * resuming a paused one differ in nothing else.
 *
 * @param capsule name of the run
 * @param snapshot what it starts from
 * @param init what the guest is told
 */
public record StartOrder(String capsule, SnapshotId snapshot, GuestInit init) {}
