package dev.wrenn.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;

class SourceRulesTest {
    private static List<String> rulesBrokenBy(String source) {
        var violations = new ArrayList<SourceRules.Violation>();
        SourceRules.check(Path.of("X.java"), source.lines().toList(), violations);
        return violations.stream().map(SourceRules.Violation::rule).toList();
    }

    @Test
    void a_public_type_needs_javadoc_which_annotations_do_not_hide() {
        assertThat(rulesBrokenBy("import x;\n\npublic final class X {}"))
                .containsExactly("A5 public type without Javadoc");
        assertThat(rulesBrokenBy("/** An X. */\n@Deprecated\npublic sealed interface X {}"))
                .isEmpty();
        assertThat(
                        rulesBrokenBy(
                                "/** An X. */\n@A(\n  b = {\n    C.class\n  })\npublic class X {}"))
                .isEmpty();
        assertThat(rulesBrokenBy("/** An O. */\nclass O {\n    public record I() {}")).hasSize(1);
        assertThat(rulesBrokenBy("final class X {}")).isEmpty();
    }

    @Test
    void a_restricted_call_needs_its_reason() {
        var marked = "@SuppressWarnings(\"restricted\")\nvoid f() {\n";

        assertThat(rulesBrokenBy(marked + "    g();\n}"))
                .containsExactly("restricted call without SAFETY");
        assertThat(rulesBrokenBy(marked + "    // SAFETY: checked above\n    g();\n}")).isEmpty();
    }

    @Test
    void an_open_task_needs_an_issue() {
        assertThat(rulesBrokenBy("// TO" + "DO: later"))
                .containsExactly("open task without an issue");
        assertThat(rulesBrokenBy("// TO" + "DO(#12): later")).isEmpty();
    }

    @Test
    void a_file_has_at_most_500_lines() {
        assertThat(rulesBrokenBy(String.join("\n", Collections.nCopies(500, "//")))).isEmpty();
        assertThat(rulesBrokenBy(String.join("\n", Collections.nCopies(501, "//"))))
                .containsExactly("more than 500 lines");
    }
}
