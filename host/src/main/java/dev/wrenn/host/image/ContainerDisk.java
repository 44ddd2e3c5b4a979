package dev.wrenn.host.image;

import dev.wrenn.base.Command;
import dev.wrenn.host.oci.PulledImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/**
 * Makes root disks of container images.
 *
 * <p>What is unpacked is not the image's layers but one tar that we wrote ourselves: names below
 * real folders only, each once. So tar(1) cannot be led out of the folder, whatever the image says.
 */
final class ContainerDisk {
    private static final Duration UNPACK_LIMIT = Duration.ofMinutes(30);

    /** Changes when a new version of this class would make another disk. */
    private static final String EDITION = "1";

    private final PulledImage image;

    ContainerDisk(PulledImage image) {
        this.image = image;
    }

    /** Equal for equal content. */
    String name() {
        return "image-" + new Sha256().text(EDITION).text(image.digest()).name() + ".ext4";
    }

    void make(Aside aside, Path into) throws IOException {
        var tar = aside.scratch(name() + ".tar");
        var root = aside.scratch(name() + ".root");
        try {
            image.writeTar(tar);
            Files.createDirectory(root);
            Command.of(
                            "tar",
                            "--extract",
                            "--file=" + tar,
                            "--directory=" + root,
                            "--numeric-owner",
                            "--same-owner",
                            "--same-permissions",
                            "--delay-directory-restore",
                            "--xattrs",
                            "--xattrs-include=*")
                    .within(UNPACK_LIMIT)
                    .run();
            Aside.remove(tar);
            RootFs.format(root, into);
        } finally {
            Aside.remove(tar);
            Aside.remove(root);
        }
    }
}
