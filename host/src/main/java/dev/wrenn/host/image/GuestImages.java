package dev.wrenn.host.image;

import dev.wrenn.base.Progress;
import java.io.IOException;
import java.nio.file.Path;

/**
 * What guests on this machine boot from, complete and immutable. Each file is named after its
 * content, so a new guest agent or a new recipe makes new files and leaves those alone that
 * snapshots were made with.
 *
 * @param kernel a bzImage
 * @param kernelVersion what {@code uname -r} says in the guest
 * @param initrd a cpio archive with the guest agent as {@code /init}
 * @param minimalRootFs a sparse raw ext4 image, to be cloned and never to be written
 */
public record GuestImages(Path kernel, String kernelVersion, Path initrd, Path minimalRootFs) {
    /**
     * Makes what is missing, in the folder {@code images} of the data folder; needs root. It may be
     * interrupted at any time and called again: what is complete is kept, what is not is made anew.
     * Two processes take turns.
     *
     * @param agentBinary the guest agent, a static Linux program
     * @throws GuestImageFailed if something cannot be made
     * @throws dev.wrenn.base.CommandFailed if a program that makes it fails
     */
    public static GuestImages prepare(Path dataFolder, Path agentBinary, Progress progress) {
        var folder = dataFolder.toAbsolutePath().resolve("images");
        try {
            var aside = new Aside(folder);
            try (var _ = FolderTurn.take(folder)) {
                aside.clear();
                var kernel = GuestKernel.prepare(aside, folder, progress);
                var initrd = Initrd.prepare(aside, folder, kernel, agentBinary);
                var rootFs = RootFs.prepare(aside, folder, progress);
                return new GuestImages(kernel.image(), kernel.release(), initrd, rootFs);
            }
        } catch (IOException e) {
            throw new GuestImageFailed("cannot write guest images to " + folder, e);
        }
    }

    /** With a copy of the root file system that lies elsewhere. */
    public GuestImages withMinimalRootFs(Path elsewhere) {
        return new GuestImages(kernel, kernelVersion, initrd, elsewhere);
    }
}
