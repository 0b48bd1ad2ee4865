// Gives JupyterHub's operator page the settings it otherwise takes from an inline script.
"use strict";
const hook = document.getElementById("react-admin-hook");
window.api_page_limit = Number.parseInt(hook.dataset.pageLimit, 10);
window.base_url = hook.dataset.baseUrl;
window.jhdata = { base_url: hook.dataset.baseUrl, prefix: "/", user: hook.dataset.user, admin_access: false, options_form: false, xsrf_token: hook.dataset.xsrf };
