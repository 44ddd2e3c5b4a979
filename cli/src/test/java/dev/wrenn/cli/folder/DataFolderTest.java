package dev.wrenn.cli.folder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Secret;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DataFolderTest {
    @TempDir Path temporary;

    private DataFolder folder() {
        return DataFolder.open(temporary.resolve("a/b"));
    }

    @Test
    void a_new_folder_belongs_to_its_owner_alone_and_is_left_empty() throws IOException {
        var folder = folder();

        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(folder.path())))
                .isEqualTo("rwx------");
        assertThat(folder.path()).isEmptyDirectory();
    }

    @Test
    void a_folder_that_cannot_be_written_says_what_to_do() throws IOException {
        var file = Files.createFile(temporary.resolve("file"));

        assertThatThrownBy(() -> DataFolder.open(file))
                .isInstanceOf(WrennException.class)
                .hasMessageContaining(file.toString())
                .hasMessageContaining("--dir");
        assertThatThrownBy(() -> DataFolder.open(Path.of("/proc/wrenn")))
                .isInstanceOf(WrennException.class)
                .hasMessageContaining("cannot write");
    }

    @Test
    void the_api_key_is_kept_and_hidden_from_others() throws IOException {
        var file = folder().apiKey();
        assertThat(ApiKeyFile.read(file)).isEmpty();
        var key = new Secret("wrn_0123456789abcdef0123456789abcdef");

        ApiKeyFile.write(file, key);

        assertThat(ApiKeyFile.read(file)).contains(key);
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                .isEqualTo("rw-------");
    }

    @Test
    void a_file_that_holds_no_key_is_refused() throws IOException {
        var file = Files.writeString(folder().apiKey(), "wrn_short");

        assertThatThrownBy(() -> ApiKeyFile.read(file))
                .isInstanceOfSatisfying(
                        WrennException.class, e -> assertThat(e.kind()).isEqualTo(Kind.CORRUPT));
    }

    @Test
    void a_second_server_of_one_folder_is_refused_and_told_who_has_it() {
        var folder = folder();
        try (var _ = FolderLock.take(folder)) {
            var self = ServerRecord.ofThisProcess().serving("http://127.0.0.1:1", "qemu");
            self.write(folder.serverRecord());

            assertThatThrownBy(() -> FolderLock.take(folder))
                    .isInstanceOf(WrennException.class)
                    .hasMessageContaining("process " + self.pid())
                    .hasMessageContaining("http://127.0.0.1:1")
                    .hasMessageContaining("wrenn down");
        }
        FolderLock.take(folder).close();
    }

    @Test
    void a_record_of_a_process_that_has_ended_counts_for_nothing() throws IOException {
        var file = folder().serverRecord();
        assertThat(ServerRecord.running(file)).isEmpty();

        var self = ServerRecord.ofThisProcess();
        self.write(file);
        assertThat(ServerRecord.running(file)).contains(self);

        // The same number, but another start: a later process.
        new ServerRecord(self.pid(), self.startTicks() - 1, "", "").write(file);
        assertThat(ServerRecord.running(file)).isEmpty();

        Files.writeString(file, "{");
        assertThatThrownBy(() -> ServerRecord.running(file))
                .isInstanceOfSatisfying(
                        WrennException.class, e -> assertThat(e.kind()).isEqualTo(Kind.CORRUPT));
    }
}
