package dev.wrenn.host;

import dev.wrenn.base.Command;
import dev.wrenn.base.Progress;
import dev.wrenn.host.image.GuestImages;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/**
 * Writes the guest images that a host agent in the rig finds ready, because it cannot download
 * anything there. See scripts/rig.sh.
 */
final class RigGuest {
    private RigGuest() {}

    /** Folder with the images of this machine, which is filled first; guest agent; target. */
    public static void main(String[] arguments) throws IOException {
        var images =
                GuestImages.prepare(
                        Path.of(arguments[0]), Path.of(arguments[1]), Progress.silent());
        var target = Files.createDirectories(Path.of(arguments[2]));
        for (var part :
                new Path[] {images.kernel().getParent(), images.initrd(), images.minimalRootFs()}) {
            Command.of(
                            "cp",
                            "--archive",
                            "--sparse=always",
                            part.toString(),
                            target.resolve(part.getFileName()).toString())
                    .within(Duration.ofMinutes(5))
                    .run();
        }
    }
}
