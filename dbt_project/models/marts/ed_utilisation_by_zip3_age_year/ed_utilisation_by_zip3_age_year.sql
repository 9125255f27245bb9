-- Emergency department visits and people. One row per ZIP3 area, age group and calendar year.
with visits as (
    select
        person_key,
        visit_year,
        zip3,
        {{ age_group('age_years') }} as age_group
    from {{ source('deidentified', 'ed_visits') }}
)

select
    zip3,
    age_group,
    visit_year,
    count(*) as visit_count,
    count(distinct person_key) as person_count
from visits
group by zip3, age_group, visit_year
order by zip3 nulls last, age_group, visit_year
