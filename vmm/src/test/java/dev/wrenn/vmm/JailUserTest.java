package dev.wrenn.vmm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.ByteSize;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator.ReplaceUnderscores;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayNameGeneration(ReplaceUnderscores.class)
final class JailUserTest {
    @TempDir Path folder;

    private VmSpec spec(String name, String runFolder) throws IOException {
        return new VmSpec(
                name,
                Files.createDirectories(folder.resolve(runFolder)),
                1,
                ByteSize.mib(64),
                folder.resolve("disk"),
                folder.resolve("scratch"),
                "net",
                "tap0",
                "02:fc:00:00:00:05",
                folder.resolve("pages.sock"));
    }

    private Path registry() {
        return folder.resolve("users");
    }

    @Test
    void no_two_run_folders_have_the_same_user_even_with_the_same_name() throws IOException {
        var numbers = new HashSet<Integer>();
        for (int i = 0; i < 50; i++) {
            numbers.add(JailUser.claim(registry(), spec("vm", "run-" + i)).number());
        }

        assertThat(numbers).hasSize(50).allMatch(number -> number >= 1_900_000_000);
    }

    @Test
    void a_run_folder_knows_its_user_and_keeps_it() throws IOException {
        var spec = spec("vm", "run");
        var first = JailUser.claim(registry(), spec);

        assertThat(JailUser.of(spec.runFolder())).isEqualTo(first);
        assertThat(JailUser.claim(registry(), spec)).isEqualTo(first);
    }

    @Test
    void a_user_that_was_given_back_or_whose_run_folder_is_gone_is_taken_again()
            throws IOException {
        var one = spec("vm", "one");
        var first = JailUser.claim(registry(), one);
        JailUser.release(registry(), one.runFolder());
        assertThat(one.runFolder()).isEmptyDirectory();

        var two = spec("vm", "two");
        assertThat(JailUser.claim(registry(), two)).isEqualTo(first);
        Files.delete(two.runFolder().resolve("user"));
        Files.delete(two.runFolder()); // as after a kill and a clean-up

        assertThat(JailUser.claim(registry(), spec("vm", "three"))).isEqualTo(first);
    }

    @Test
    void a_run_folder_without_a_user_has_none_to_give_back() throws IOException {
        var spec = spec("vm", "run");
        JailUser.release(registry(), spec.runFolder());

        assertThatThrownBy(() -> JailUser.of(spec.runFolder())).isInstanceOf(VmmFailed.class);
    }
}
