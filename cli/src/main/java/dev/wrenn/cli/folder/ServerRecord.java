package dev.wrenn.cli.folder;

import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.linux.ProcessIdentity;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Optional;

/**
 * Which process serves a data folder; kept in the folder so that other commands find it.
 *
 * @param pid its number
 * @param startTicks tells it apart from a later process with the same number
 * @param baseUrl where it serves; empty while it starts
 * @param vmm driver, accelerator and version; empty while it starts
 */
public record ServerRecord(long pid, long startTicks, String baseUrl, String vmm) {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** This process, starting. */
    public static ServerRecord ofThisProcess() {
        var self = ProcessIdentity.of(ProcessHandle.current().pid()).orElseThrow();
        return new ServerRecord(self.pid(), self.startTicks(), "", "");
    }

    /** The same, serving. */
    public ServerRecord serving(String url, String vmmName) {
        return new ServerRecord(pid, startTicks, url, vmmName);
    }

    /** The process. */
    public ProcessIdentity process() {
        return new ProcessIdentity(pid, startTicks);
    }

    /** Whether it does not start any more. */
    @JsonIgnore
    public boolean isServing() {
        return !baseUrl.isEmpty();
    }

    /** Keeps it. */
    public void write(Path file) {
        var aside = file.resolveSibling(file.getFileName() + ".new");
        try {
            Files.write(aside, JSON.writeValueAsBytes(this));
            Files.move(aside, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot write " + file, e);
        }
    }

    /** The process that serves the folder now; none if it has ended, however it ended. */
    public static Optional<ServerRecord> running(Path file) {
        try {
            return Optional.of(JSON.readValue(Files.readAllBytes(file), ServerRecord.class))
                    .filter(server -> server.process().isAlive());
        } catch (NoSuchFileException _) {
            return Optional.empty();
        } catch (JsonProcessingException e) {
            throw new WrennException(
                    Kind.CORRUPT, file + " is not readable; remove it if no server runs", e);
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot read " + file, e);
        }
    }
}
