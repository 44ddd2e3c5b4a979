package dev.wrenn.contract.host;

import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.CheckpointId;
import java.util.List;

/**
 * What came of a fork.
 *
 * @param checkpoint the state of the parent that the new capsules went on from
 * @param children one for each that was ordered, in that order
 */
public record ForkResult(CheckpointId checkpoint, List<Child> children) {
    /** Copies the list. */
    public ForkResult {
        children = List.copyOf(children);
    }

    /** What became of one of them. */
    public sealed interface Child {
        /** Which one. */
        CapsuleId capsule();

        /** It runs. */
        record Started(HostCapsule report) implements Child {
            @Override
            public CapsuleId capsule() {
                return report.capsule();
            }
        }

        /**
         * It could not be started; nothing of it is left.
         *
         * @param isForRoom whether the machine has no room for it
         * @param reason in words for people
         */
        record Refused(CapsuleId capsule, boolean isForRoom, String reason) implements Child {}
    }
}
