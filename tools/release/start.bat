@echo off
rem Finds a Python 3.10 to 3.13 or fetches one into this folder, and starts sdlora with it. Needs nothing installed.
setlocal
cd /d "%~dp0"
set "FITS=import ensurepip, ssl, sys, venv; sys.exit(not ((3, 10) <= sys.version_info[:2] <= (3, 13) and sys.maxsize > 2**32))"
for /d %%D in (".python\cpython-*") do call :try "%%~fD\python.exe"
if defined PYTHON goto start
for %%V in (3.12 3.11 3.13 3.10) do call :launcher %%V
if defined PYTHON goto start
call :try python.exe
if defined PYTHON goto start
powershell -NoProfile -ExecutionPolicy Bypass -File "tools\release\fetch.ps1"
if errorlevel 1 goto failed
for /d %%D in (".python\cpython-*") do call :try "%%~fD\python.exe"
if defined PYTHON goto start
echo The Python that was fetched does not run: delete the folder .python, or install Python 3.12, and start again.
goto failed

:start
%PYTHON% launch.py %*
if errorlevel 1 goto failed
exit /b 0

:failed
pause
exit /b 1

:try
if defined PYTHON exit /b 0
"%~1" -c "%FITS%" >nul 2>nul && set PYTHON="%~1"
exit /b 0

:launcher
if defined PYTHON exit /b 0
py -%1 -c "%FITS%" >nul 2>nul && set PYTHON=py -%1
exit /b 0
