package dev.wrenn.cli;

import dev.wrenn.base.Command;
import dev.wrenn.base.CommandFailed;
import dev.wrenn.base.Progress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The JVM's archive of the classes that a start needs, so that the next start need not read, check
 * and link them again (jcmd, {@code VM.cds dynamic_dump}). Written once per build, before the first
 * request is served: the JVM stands still meanwhile.
 */
final class ClassArchive {
    private static final Logger LOG = LoggerFactory.getLogger(ClassArchive.class);
    private static final Duration LIMIT = Duration.ofMinutes(2);

    private ClassArchive() {}

    /** Writes the archive that the script named; without it the next start is only slower. */
    static void writeIfAsked(Progress progress) {
        var target = Optional.ofNullable(System.getProperty("wrenn.class-archive")).map(Path::of);
        if (target.isEmpty()) {
            return;
        }
        // The JDK itself tells standard output about it, where only our result may go.
        var out = System.out;
        System.setOut(System.err);
        try (var step = progress.start("Keeping what a fast start needs", 0)) {
            write(target.get());
            step.done();
        } catch (CommandFailed | IOException e) {
            LOG.atWarn().setCause(e).log("no class archive; the next start takes longer");
        } finally {
            System.setOut(out);
        }
    }

    private static void write(Path target) throws IOException {
        var aside = target.resolveSibling(target.getFileName() + ".new");
        Files.deleteIfExists(aside);
        Command.of(
                        Path.of(System.getProperty("java.home"), "bin", "jcmd").toString(),
                        Long.toString(ProcessHandle.current().pid()),
                        "VM.cds",
                        "dynamic_dump",
                        aside.toString())
                .within(LIMIT)
                .run();
        Files.move(aside, target, StandardCopyOption.ATOMIC_MOVE);
    }
}
