package dev.wrenn.contract.host;

import dev.wrenn.contract.CapsuleId;
import java.time.Instant;
import java.util.Map;

/**
 * What a host says of one of its capsules; the host is the truth about it.
 *
 * @param capsule whose state this is
 * @param generation grows with every change of this capsule, so that late reports are recognised
 * @param state what it is doing
 * @param vcpus virtual processors in effect
 * @param memoryMb guest memory in effect, MiB
 * @param hostAddress address at which the host reaches the guest; empty before the first run
 * @param startedAt last start or resume; {@link Instant#EPOCH} before the first
 * @param lastActiveAt last activity as the expiry timer sees it
 * @param versions what runs it: keys {@code kernel_version}, {@code vmm_version}, {@code
 *     agent_version}, {@code guest_agent_version}
 * @param reason why it is in this state, in words for people; empty if it was asked for
 */
public record HostCapsule(
        CapsuleId capsule,
        long generation,
        HostState state,
        int vcpus,
        int memoryMb,
        String hostAddress,
        Instant startedAt,
        Instant lastActiveAt,
        Map<String, String> versions,
        String reason) {
    /** Copies the map. */
    public HostCapsule {
        versions = Map.copyOf(versions);
    }
}
