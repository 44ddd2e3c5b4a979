package dev.wrenn.contract.host;

import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.TemplateId;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;

/**
 * Order for a new capsule. The control plane has checked limits and rights already.
 *
 * @param capsule the new capsule's id; the host refuses one that it knows
 * @param template where it starts from
 * @param vcpus virtual processors, at least 1; a snapshot template brings its own number
 * @param memoryMb guest memory in MiB; a snapshot template brings its own size
 * @param expiry inactivity limit after which the capsule is paused; zero means never
 * @param defaults what its processes get
 */
public record CreateCapsule(
        CapsuleId capsule,
        TemplateId template,
        int vcpus,
        int memoryMb,
        Duration expiry,
        ProcessDefaults defaults) {
    /** A capsule whose processes get these variables and nothing else. */
    public CreateCapsule(
            CapsuleId capsule,
            TemplateId template,
            int vcpus,
            int memoryMb,
            Duration expiry,
            Map<String, String> environment) {
        this(
                capsule,
                template,
                vcpus,
                memoryMb,
                expiry,
                new ProcessDefaults(environment, Optional.empty(), Optional.empty()));
    }
}
