package dev.wrenn.contract.gateway;

import dev.wrenn.contract.CapsuleId;
import java.util.Optional;

/** Decides for each request whether it may reach the ports of a capsule. Thread-safe. */
public interface CapsuleDoor {
    /**
     * Lets a request in or says why not. Resumes a paused capsule first if its owner asked for that
     * at its creation; requests that come meanwhile wait for the same resume.
     *
     * @param apiKey the API key that the request showed; only capsules with private ports need one
     */
    Admission admit(CapsuleId capsule, Optional<String> apiKey);
}
