/* A program that ends at once: what execve alone costs. */
int main(void)
{
	return 0;
}
