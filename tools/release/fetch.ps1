# Fetches uv from PyPI, checks its SHA-256, and has it fetch a Python into .python. Called by start.bat.
$ErrorActionPreference = "Stop"
$ProgressPreference = "SilentlyContinue"
$version = "0.13.9"
$url = "https://files.pythonhosted.org/packages/dd/ef/ceeabf3631117f7354787d9fb1ffe943899e59ed4b887a696ed547e47e76/uv-$version-py3-none-win_amd64.whl"
$sum = "6a44b2ed8111d2f60d2b92627c5dccda3f7ed7570b18ce115e569cd68c28246b"
Write-Host "No Python 3.10 to 3.13 was found: fetching one into .python, once."
try { New-Item -ItemType Directory -Force ".python\uv" | Out-Null }
catch { Write-Host "No permission to write in $PWD`: move the folder to a place of your own and start again."; exit 1 }
try {
    [Net.ServicePointManager]::SecurityProtocol = [Net.SecurityProtocolType]::Tls12
    Invoke-WebRequest -UseBasicParsing -Uri $url -OutFile ".python\uv.zip"
}
catch { Write-Host "$url can't be reached: check the network and start again."; exit 1 }
if ((Get-FileHash -Algorithm SHA256 ".python\uv.zip").Hash -ne $sum) {
    Remove-Item ".python\uv.zip"
    Write-Host "What was fetched from $url is not what it should be: nothing of it was run. Start again, or install Python 3.12."
    exit 1
}
Expand-Archive -Force ".python\uv.zip" ".python\uv"
Remove-Item ".python\uv.zip"
& ".python\uv\uv-$version.data\scripts\uv.exe" python install --quiet --no-bin --no-registry --install-dir ".python" 3.12
if ($LASTEXITCODE -ne 0) {
    Write-Host "Python could not be fetched by uv: check the network, or install Python 3.12 from python.org."
    exit 1
}
