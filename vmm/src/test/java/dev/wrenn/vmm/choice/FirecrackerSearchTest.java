package dev.wrenn.vmm.choice;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator.ReplaceUnderscores;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayNameGeneration(ReplaceUnderscores.class)
final class FirecrackerSearchTest {
    @TempDir Path folder;
    private final List<String> reasons = new ArrayList<>();

    private Path program(String path) throws IOException {
        var file = folder.resolve(path);
        Files.createDirectories(file.getParent());
        return Files.createFile(
                file,
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwxr-xr-x")));
    }

    private FirecrackerSearch search(Map<String, String> environment) {
        return new FirecrackerSearch(environment, folder.resolve("data"));
    }

    @Test
    void the_variable_comes_before_the_path_and_the_path_before_the_data_folder()
            throws IOException {
        for (var place : List.of("named", "path", "data")) {
            program(place + "/firecracker");
            program(place + "/jailer");
        }
        var path = folder.resolve("empty") + ":" + folder.resolve("path");
        var named = folder.resolve("named/firecracker").toString();

        assertThat(search(Map.of("FIRECRACKER_BIN", named, "PATH", path)).find(reasons))
                .hasValueSatisfying(
                        found -> assertThat(found.binary()).hasParent(folder.resolve("named")));
        assertThat(search(Map.of("PATH", path)).find(reasons))
                .hasValueSatisfying(
                        found -> assertThat(found.jailer()).hasParent(folder.resolve("path")));
        assertThat(search(Map.of()).find(reasons))
                .hasValueSatisfying(
                        found -> assertThat(found.binary()).hasParent(folder.resolve("data")));
        assertThat(reasons).isEmpty();
    }

    @Test
    void the_names_of_a_release_belong_together() throws IOException {
        var binary = program("r/firecracker-v1.16.1-x86_64");
        program("r/jailer");
        var jailer = program("r/jailer-v1.16.1-x86_64");

        var found = search(Map.of("FIRECRACKER_BIN", binary.toString())).find(reasons);

        assertThat(found).hasValue(new FirecrackerSearch.Found(binary, jailer));
    }

    @Test
    void one_without_its_jailer_is_not_used_and_the_operator_is_told() throws IOException {
        var binary = program("named/firecracker");
        program("data/firecracker");
        program("data/jailer");

        assertThat(search(Map.of("FIRECRACKER_BIN", binary.toString())).find(reasons)).isEmpty();
        assertThat(reasons)
                .singleElement()
                .asString()
                .contains(binary.toString(), "or its jailer is missing");
    }

    @Test
    void where_none_is_the_operator_learns_where_it_was_looked_for() {
        assertThat(search(Map.of("PATH", "/nowhere")).find(reasons)).isEmpty();
        assertThat(reasons)
                .singleElement()
                .asString()
                .contains("FIRECRACKER_BIN", "PATH", folder.resolve("data").toString());
    }
}
