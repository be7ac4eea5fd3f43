"""A tool that says why it did not do what it was asked."""

from app.tools.tool import ToolResult


class ToolFailed(Exception):
    """What the model is told; the words of the first kind are those that Voyage's loop knows."""

    def __init__(self, text: str, *, retryable: bool = True) -> None:
        """Take the words, without secrets."""
        super().__init__(text)
        self.text = text
        self.retryable = retryable

    def result(self) -> ToolResult:
        """Give the result of the call."""
        value = {"error": self.text} | ({} if self.retryable else {"retryable": False})
        return ToolResult(value=value, failed=True, retryable=self.retryable)


def required(*names: str) -> ToolFailed:
    """Give the failure for arguments that are missing, in Voyage's form."""
    *before, last = names
    if not before:
        return ToolFailed(f"{last} is required")
    comma = "," if len(before) > 1 else ""
    return ToolFailed(f"{', '.join(before)}{comma} and {last} are required")
