package dev.wrenn.bench;

import dev.wrenn.base.Command;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** The yardsticks in C, compiled for this machine when they are needed. */
final class CPrograms {
    private CPrograms() {}

    static Path compile(Path source, Path folder) {
        var name = source.getFileName().toString();
        var program = folder.resolve(name.substring(0, name.length() - ".c".length()));
        Command.of("gcc", "-O2", "-pthread", "-o", program.toString(), source.toString()).run();
        return program;
    }

    static void delete(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            throw BenchFailed.because("cannot delete " + file, e);
        }
    }
}
