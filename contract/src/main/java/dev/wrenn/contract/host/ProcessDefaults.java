package dev.wrenn.contract.host;

import java.util.Map;
import java.util.Optional;

/**
 * What processes of a capsule get where nobody says anything else.
 *
 * @param environment variables of every process
 * @param user who runs them, by name or as {@code uid[:gid]}; the superuser if absent
 * @param directory where they start; the user's home if absent
 */
public record ProcessDefaults(
        Map<String, String> environment, Optional<String> user, Optional<String> directory) {
    /** Nothing special. */
    public static final ProcessDefaults NONE =
            new ProcessDefaults(Map.of(), Optional.empty(), Optional.empty());

    /** Copies the map. */
    public ProcessDefaults {
        environment = Map.copyOf(environment);
    }
}
