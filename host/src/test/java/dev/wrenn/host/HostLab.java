package dev.wrenn.host;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.base.Progress;
import dev.wrenn.base.Resource;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.TemplateId;
import dev.wrenn.contract.guest.ProcessEvent;
import dev.wrenn.contract.guest.ProcessStart;
import dev.wrenn.contract.host.CreateCapsule;
import dev.wrenn.contract.host.ProcessDefaults;
import dev.wrenn.host.capsule.HostConfig;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * A real host agent on a folder of its own; guest images come from the folder that WRENN_TEST_CACHE
 * names and are made there when they are missing.
 */
final class HostLab implements Resource {
    static final int MEMORY_MB = 256;

    private final Host host;

    private HostLab(Host host) {
        this.host = host;
    }

    static HostLab open(Path folder) throws IOException {
        var cache = Optional.ofNullable(System.getenv("WRENN_TEST_CACHE"));
        if (cache.isPresent()) {
            var images = Files.createDirectories(Path.of(cache.get()).resolve("images"));
            Files.createSymbolicLink(folder.resolve("images"), images);
        }
        var guest = System.getenv("WRENN_GUEST_DIR");
        assertThat(guest).as("WRENN_GUEST_DIR: folder of the built guest programs").isNotNull();
        var config =
                HostConfig.of(
                        folder,
                        Path.of(guest).resolve("libwrenn_uffd_shim.so"),
                        Path.of(guest).resolve("wrenn-guest-agent"));
        return new HostLab(Host.open(config, Progress.silent()));
    }

    Host host() {
        return host;
    }

    CapsuleId create(TemplateId template) {
        return create(template, ProcessDefaults.NONE);
    }

    CapsuleId create(TemplateId template, ProcessDefaults defaults) {
        var id = CapsuleId.random();
        host.create(new CreateCapsule(id, template, 1, MEMORY_MB, Duration.ZERO, defaults));
        return id;
    }

    /** What a shell script prints; it must succeed. */
    String run(CapsuleId capsule, String script) {
        return run(capsule, ProcessStart.of("/bin/sh", List.of("-c", script)));
    }

    /** What a program prints; it must succeed. */
    String run(CapsuleId capsule, ProcessStart order) {
        var text = new StringBuilder();
        try (var session = host.guest(capsule);
                var process = session.start(order)) {
            for (var event = process.next(); event.isPresent(); event = process.next()) {
                switch (event.get()) {
                    case ProcessEvent.Started _ -> {}
                    case ProcessEvent.Output(_, var bytes) ->
                            text.append(new String(bytes, StandardCharsets.UTF_8));
                    case ProcessEvent.Ended(var code, var status, _) ->
                            assertThat(code).as("%s: %s", status, text).isZero();
                }
            }
        }
        return text.toString();
    }

    @Override
    public void close() {
        host.inventory().forEach(capsule -> host.destroy(capsule.capsule()));
        host.close();
    }
}
