package dev.wrenn.vmm.choice;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Where a Firecracker may be.
 *
 * @param environment in which FIRECRACKER_BIN may name it; then nothing else is looked at
 * @param folder where {@code wrenn up --with-firecracker} puts it
 */
public record FirecrackerSearch(Map<String, String> environment, Path folder) {
    private static final String BIN = "FIRECRACKER_BIN";
    private static final String PROGRAM = "firecracker";
    private static final String JAILER = "jailer";

    /** Copies the map. */
    public FirecrackerSearch {
        environment = Map.copyOf(environment);
    }

    /** As this process finds it, with that data folder. */
    public static FirecrackerSearch of(Path dataFolder) {
        return new FirecrackerSearch(System.getenv(), folderIn(dataFolder));
    }

    /** Where in a data folder it is put. */
    public static Path folderIn(Path dataFolder) {
        return dataFolder.resolve(PROGRAM);
    }

    /** Where one is, with its jailer beside it; or else the reasons why none was found. */
    public record Outcome(Optional<Path> binary, List<String> reasons) {
        /** Copies the list. */
        public Outcome {
            reasons = List.copyOf(reasons);
        }
    }

    /** Looks, and tells; nothing is run. */
    public Outcome look() {
        var reasons = new ArrayList<String>();
        return new Outcome(find(reasons).map(Found::binary), reasons);
    }

    /** A Firecracker with the jailer of the same release, which lies beside it. */
    record Found(Path binary, Path jailer) {}

    /**
     * The first that has both.
     *
     * @param reasons gets a sentence if there is none
     */
    Optional<Found> find(List<String> reasons) {
        var named = Optional.ofNullable(environment.get(BIN)).filter(value -> !value.isBlank());
        var places =
                named.map(value -> List.of(Path.of(value).toAbsolutePath()))
                        .orElseGet(this::usualPlaces);
        var found =
                places.stream()
                        .filter(Files::isExecutable)
                        .flatMap(binary -> jailerOf(binary).stream().map(j -> new Found(binary, j)))
                        .findFirst();
        if (found.isEmpty()) {
            reasons.add(
                    named.map(value ->
                                    BIN + " names " + value + ", but it or its jailer is missing")
                            .orElseGet(() -> nowhere()));
        }
        return found;
    }

    private String nowhere() {
        return "there is no firecracker with its jailer: %s is not set, and neither PATH nor %s has one"
                .formatted(BIN, folder);
    }

    private List<Path> usualPlaces() {
        var path = Optional.ofNullable(environment.get("PATH")).orElse("");
        return Stream.concat(
                        Stream.of(path.split(":", -1))
                                .filter(entry -> entry.startsWith("/"))
                                .map(entry -> Path.of(entry, PROGRAM)),
                        Stream.of(folder.resolve(PROGRAM)))
                .toList();
    }

    /**
     * Beside the program, under the program's own name: releases call them firecracker-v1.16.1-….
     */
    private static Optional<Path> jailerOf(Path binary) {
        var name = String.valueOf(binary.getFileName());
        return Stream.of(name.replace(PROGRAM, JAILER), JAILER)
                .map(binary::resolveSibling)
                .filter(candidate -> !candidate.equals(binary))
                .filter(Files::isExecutable)
                .findFirst();
    }
}
