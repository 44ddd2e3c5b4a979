package dev.wrenn.disk.wrong;

import dev.wrenn.control.wrong.Anything;
import java.io.IOException;
import java.lang.foreign.Linker;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/** Breaks one rule a member. */
@SuppressWarnings({"unused", "serial"})
public final class DiskHelper {
    static int counter;
    static final ArrayList<String> NAMES = new ArrayList<>();

    final String password;

    DiskHelper(String password) {
        this.password = password;
    }

    Anything direction() {
        return new Anything("control");
    }

    Linker nativeCall() {
        return Linker.nativeLinker();
    }

    List<SQLException> sql() {
        return List.of(new SQLException("x"));
    }

    Thread thread() {
        return Thread.ofVirtual().unstarted(() -> {});
    }

    Instant clock() {
        return Instant.now();
    }

    Process program() throws IOException {
        return new ProcessBuilder("true").start();
    }

    void bareThrow() {
        throw new RuntimeException("something");
    }

    static final class OwnParent extends RuntimeException {
        OwnParent() {
            super("no parent of ours");
        }
    }
}
