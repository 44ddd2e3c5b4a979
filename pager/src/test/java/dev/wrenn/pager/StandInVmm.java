package dev.wrenn.pager;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.errorprone.annotations.FormatMethod;
import dev.wrenn.base.Command;
import dev.wrenn.base.Resource;
import dev.wrenn.linux.ProcessIdentity;
import dev.wrenn.snapshot.PageSource;
import dev.wrenn.testkit.Eventually;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** The program of src/test/c/vmm.c, driven over its standard input and output. */
final class StandInVmm implements Resource {
    private final Process process;
    private final BufferedReader answers;
    private final Path folder;

    private StandInVmm(Process process, Path folder) {
        this.process = process;
        this.folder = folder;
        this.answers =
                new BufferedReader(
                        new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
    }

    /** How it behaves, see vmm.c. */
    enum Mode {
        LAZY,
        UNTRACKED,
        BOOTED,
        FILE,
        SILENT
    }

    /** A region by its length and place in the memory image, in pages. */
    record Piece(long pages, long firstPage) {}

    /** Compiles a program of src/test/c into that folder. */
    static Path compile(String name, Path folder) {
        var program = folder.resolve(name);
        Command.of(
                        "gcc",
                        "-O2",
                        "-Wall",
                        "-pthread",
                        "-o",
                        program.toString(),
                        "src/test/c/" + name + ".c")
                .run();
        return program;
    }

    static StandInVmm start(Path program, Path socket, Mode mode, List<Piece> pieces)
            throws IOException {
        var arguments = new ArrayList<String>();
        arguments.add(program.toString());
        arguments.add(socket.toString());
        arguments.add(mode.name().toLowerCase(java.util.Locale.ROOT));
        pieces.forEach(p -> arguments.add(p.pages() + ":" + p.firstPage()));
        var process =
                new ProcessBuilder(arguments)
                        .redirectError(ProcessBuilder.Redirect.INHERIT)
                        .start();
        var vmm = new StandInVmm(process, Files.createTempDirectory("stand-in"));
        assertThat(vmm.answer()).isEqualTo("ready");
        return vmm;
    }

    @FormatMethod
    String ask(String format, Object... values) {
        order(format, values);
        return answer();
    }

    /** Sends a command without waiting for its answer. */
    @FormatMethod
    void order(String format, Object... values) {
        try {
            var stdin = process.getOutputStream();
            stdin.write((format.formatted(values) + "\n").getBytes(StandardCharsets.UTF_8));
            stdin.flush();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    String answer() {
        try {
            return String.valueOf(answers.readLine());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    int read(long page) {
        return Integer.parseInt(ask("read %d", page));
    }

    void fill(long page, int value) {
        assertThat(ask("fill %d %d", page, value)).isEqualTo("ok");
    }

    void remove(long page, long count) {
        assertThat(ask("remove %d %d", page, count)).isEqualTo("ok");
    }

    /** Reads pages as a guest would. */
    byte[] dump(long page, long count) throws IOException {
        var file = folder.resolve("dump");
        assertThat(ask("dump %d %d %s", page, count, file)).isEqualTo("ok");
        var bytes = Files.readAllBytes(file);
        assertThat(bytes).hasSize((int) count * PageSource.PAGE_BYTES);
        return bytes;
    }

    ProcessIdentity identity() {
        return ProcessIdentity.of(process.pid()).orElseThrow();
    }

    void kill() {
        process.destroyForcibly();
        Eventually.within(Duration.ofSeconds(10), () -> !process.isAlive());
    }

    @Override
    public void close() {
        kill();
        try {
            answers.close();
            process.getErrorStream().close();
            Files.deleteIfExists(folder.resolve("dump"));
            Files.delete(folder);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
