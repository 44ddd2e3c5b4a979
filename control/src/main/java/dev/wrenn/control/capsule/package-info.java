/** Capsules as the control plane wants and last knew them. */
@NullMarked
package dev.wrenn.control.capsule;

import org.jspecify.annotations.NullMarked;
