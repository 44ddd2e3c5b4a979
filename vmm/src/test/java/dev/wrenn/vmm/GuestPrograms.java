package dev.wrenn.vmm;

import dev.wrenn.base.Command;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/**
 * The programs built from guest/: in the folder that WRENN_GUEST_DIR names, else built now into
 * this module's target folder.
 */
final class GuestPrograms {
    private static final Duration BUILD_LIMIT = Duration.ofMinutes(10);

    private GuestPrograms() {}

    static Path folder() {
        var given = Optional.ofNullable(System.getenv("WRENN_GUEST_DIR"));
        if (given.isPresent()) {
            return Path.of(given.get()).toAbsolutePath();
        }
        var module = Path.of("").toAbsolutePath();
        var built = module.resolve("target/guest");
        if (!Files.isExecutable(built.resolve("wrenn-tsc"))) {
            Command.of(module.resolveSibling("guest/build.sh").toString(), built.toString())
                    .within(BUILD_LIMIT)
                    .run();
        }
        return built;
    }
}
