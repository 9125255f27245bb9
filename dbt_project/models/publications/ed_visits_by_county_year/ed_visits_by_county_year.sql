-- Emergency department visits of residents. One row per county of residence and calendar year,
-- and one for the state in each year; people and visits, 0 or more.
with visits as (
    select person_key, visit_year, county
    from {{ ref('int_ed_visits') }}
),

years as (
    select distinct visit_year from visits
),

-- A-04: a county's own population; the state total for the margin and for unknown residence.
counties as (
    select
        area as county,
        population_count
    from {{ ref('county_population') }}
    where race_ethnicity = 'Total'
    union all
    select 'Unknown' as county, population_count
    from {{ ref('county_population') }}
    where
        area = 'California' and race_ethnicity = 'Total'
        and exists (select 1 from visits where county = 'Unknown')
),

counted as (
    select
        visit_year,
        if(grouping(county) = 1, 'California', county) as county,
        count(*) as visit_count,
        count(distinct person_key) as person_count
    from visits
    group by grouping sets ((visit_year, county), (visit_year))
)

select
    counties.county,
    years.visit_year,
    coalesce(counted.visit_count, 0) as visit_count,
    coalesce(counted.person_count, 0) as person_count,
    counties.population_count
from years
cross join counties
left join counted
    on years.visit_year = counted.visit_year and counties.county = counted.county
order by years.visit_year, counties.county
