{# Four bands of 18 years and more: CalHHS DDG 2.0, 16.2.3 scores them at most +2. #}
{% macro age_group(age_years) -%}
    case
        when {{ age_years }} < 18 then '0-17'
        when {{ age_years }} < 45 then '18-44'
        when {{ age_years }} < 65 then '45-64'
        when {{ age_years }} >= 65 then '65 and over'
        else 'Unknown'
    end
{%- endmacro %}
